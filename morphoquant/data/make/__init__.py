"""Makes the files of data/media anew; a tool for maintainers, never run or imported when MorphoQuant is used."""
