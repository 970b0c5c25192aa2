"""How the closed-set questions are put, in one wording, so that connectors are trained on what they are asked later."""

DIGIT_IN_PICTURE = "What digit is in the picture?"
DIGITS_IN_PICTURE = "Which two digits are in the picture, from left to right?"
DIGIT_SPOKEN = "What digit is spoken?"
DIGIT_IN_VIDEO = "What digit is in the video?"
DIGITS_IN_VIDEO = "Which digits does the video show, one after the other?"
# Around the two media. In these words the language model compares what it reads; asked "Is the spoken digit the one in the
# picture?" it cannot even tell of two written words whether they are the same.
SAME_DIGIT = ('Is "', '" the same as "', '"?')
MOTION_IN_VIDEO = "Does the digit in the video move left, right, up or down?"
PHOTOGRAPH = "What does the photograph show?"
CAMERA = "What does the camera move over in this video?"
WORDS_SPOKEN = "Write down what is said in the recording."
