"""One thread for torch: batches are small, and more threads wait for each other. No deadline: a first call compiles."""

import hypothesis
import torch

torch.set_num_threads(1)
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")
