"""One thread for torch: the batches are small, and more threads wait for each other."""

import torch

torch.set_num_threads(1)
