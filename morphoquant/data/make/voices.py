"""Who says what in the synthetic speech, and which split each voice and sentence belongs to.

A voice is an accent and a speaker variant of espeak-ng. A speaker variant stands in one split only.
"""

ACCENTS = ("en-us", "en-gb-x-rp", "en", "en-us-nyc", "en-gb-x-gbcwmd", "en-029", "en-gb-x-gbclan")

SPEAKERS = {
    "train": (
        *("m1", "m2", "m4", "m5", "m6", "m8", "f1", "f2", "f4", "f5"),
        *("Alex", "Andrea", "Andy", "Annie", "belinda", "benjamin", "boris", "caleb", "david", "edward", "Gene", "Jacky"),
        *("Lee", "Mario", "Marco", "Michael", "paul", "robert", "shelby", "steph"),
    ),
    "calibration": ("m7", "f3", "Mike", "Alicia"),
    "evaluation": ("m3", "linda", "victor", "anika", "max", "Denis"),
}

SENTENCES = {
    "calibration": (
        "The bakery opens at six, and the bread is gone by nine.",
        "Please close the window before it starts to rain.",
        "A grey cat sat on the warm roof of the car.",
        "We took the early train and slept the whole way.",
        "How many apples are left in the basket?",
        "The river froze in January and thawed in March.",
        "She wrote the number on the back of her hand.",
        "Turn left at the bridge and keep to the path.",
    ),
    "evaluation": (
        "The library stays open until eight on Thursdays.",
        "He planted three rows of beans behind the shed.",
        "Is there a cheaper ticket for the evening show?",
        "Thunder rolled over the hills, but no rain came.",
        "My sister repairs old clocks in her spare time.",
        "The boat leaves the harbour when the tide turns.",
        "Put the blue cup on the shelf next to the door.",
        "Nobody knew who had painted the garden gate.",
    ),
}
