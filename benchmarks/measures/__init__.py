"""What is measured beside training runs; each module is an `engine.Measure`, and its docstring is its page."""
