"""What a uniform grid can reach on well-behaved values: the yardstick that an input's error is held against."""

NORMAL_DB = {2: 9.25, 3: 14.27, 4: 19.38, 5: 24.57, 6: 29.83, 7: 35.17, 8: 40.57}
"""SQNR in dB of the best uniform grid of 2^bits levels on a normal distribution.

Source: Max, Quantizing for minimum distortion, IRE Transactions on Information Theory 6 (1960), table II, for up to 5 bits;
8 bits by the same condition (tests/findings/test_normal.py computes all of them).
"""

BIT_DB = 6.02
"""One bit more or less, in dB: 20 log10(2), the high-resolution limit (Bennett, Bell System Technical Journal 27, 1948)."""
