"""`make bench`: speed and memory, side by side in one run; ratios carry over to other machines, seconds do not."""
