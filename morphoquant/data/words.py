"""The closed sets of answers and the splits, in one place."""

SPLITS = ("train", "calibration", "evaluation")
DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIRECTIONS = ("left", "right", "up", "down")
