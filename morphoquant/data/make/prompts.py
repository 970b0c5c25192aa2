"""Which recordings of the Debian package asterisk-core-sounds-en-wav are kept: {split: {path without ending: words}}."""

from morphoquant.data.words import DIGIT_WORDS

_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety"}
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)

# The human digits 0 to 9 are kept for evaluation: no training and no calibration hears that voice say them.
PROMPTS = {
    "calibration": {
        **{f"digits/{number}": word for number, word in enumerate(_TEENS, 10)},
        **{f"digits/{number}": word for number, word in _TENS.items()},
        **{f"digits/day-{index}": word for index, word in enumerate(_DAYS)},
        "all-circuits-busy-now": "All circuits are busy now.",
        "check-number-dial-again": "Please check the number and dial again.",
        "hello-world": "Hello world.",
        "please-try-again": "Please try again.",
        "queue-thankyou": "Thank you for your patience.",
        "tt-weasels": "Weasels have eaten our phone system.",
        "digits/yesterday": "yesterday",
        "do-not-disturb": "Do not disturb.",
    },
    "evaluation": {
        **{f"digits/{number}": word for number, word in enumerate(DIGIT_WORDS)},
        **{f"digits/mon-{index}": word for index, word in enumerate(_MONTHS)},
        "one-moment-please": "One moment please.",
        "please-try-call-later": "Please try your call again later.",
        "something-terribly-wrong": "Something is terribly wrong.",
        "call-waiting": "Call waiting.",
        "goodbye": "Goodbye.",
        "im-sorry": "I'm sorry.",
        "telephone-number": "Telephone number.",
        "digits/tomorrow": "tomorrow",
    },
}
