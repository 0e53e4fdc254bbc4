"""Writes canonical.bin, what NFC needs of the Unicode character database, from the one that Python has.

    python3 canonical.py

Hugging Face's library, whose ids ours must equal, normalizes by Unicode 9. Characters that came later are left out (those up to Unicode 14:
with a later Python, LATER must be extended).

First the number of decompositions, then each: code point, first and second of what it decomposes into (0 where there is one only), and 1
where the two compose again, else 0. Then the number of runs of a combining class, each: first code point, how many, class. All of it
little-endian int32. Hangul is left out, since it follows a formula.
"""
import struct
import unicodedata
from pathlib import Path

LATER = [
    (0x7FD, 0x7FD), (0x898, 0x89F), (0x8CA, 0x8D3), (0x9FE, 0x9FE), (0xC3C, 0xC3C), (0xD3B, 0xD3C), (0xEBA, 0xEBA), (0x1715, 0x1715),
    (0x1ABF, 0x1ACE), (0x1DF6, 0x1DFA), (0xA82C, 0xA82C), (0x10D24, 0x10D27), (0x10EAB, 0x10EAC), (0x10F46, 0x10F50), (0x10F82, 0x10F85),
    (0x11070, 0x11070), (0x1133B, 0x1133B), (0x1145E, 0x1145E), (0x11839, 0x1183A), (0x11938, 0x11938), (0x1193D, 0x1193E),
    (0x11943, 0x11943), (0x119E0, 0x119E0), (0x11A34, 0x11A34), (0x11A47, 0x11A47), (0x11A99, 0x11A99), (0x11D42, 0x11D42),
    (0x11D44, 0x11D45), (0x11D97, 0x11D97), (0x16FF0, 0x16FF1), (0x1E130, 0x1E136), (0x1E2AE, 0x1E2AE), (0x1E2EC, 0x1E2EF),
]
if unicodedata.unidata_version != "14.0.0":
    raise SystemExit(f"Python has Unicode {unicodedata.unidata_version}; extend LATER by the marks and decompositions added since 14.0.0")

decompositions, classes = [], []
for code_point in range(0x110000):
    if any(first <= code_point <= last for first, last in LATER):
        continue
    character = chr(code_point)
    parts = unicodedata.decomposition(character).split()
    if parts and not parts[0].startswith("<"):
        first, second = [int(part, 16) for part in parts] + ([0] if len(parts) == 1 else [])
        composes = len(parts) == 2 and unicodedata.normalize("NFC", character) == character
        decompositions.append((code_point, first, second, int(composes)))
    combining = unicodedata.combining(character)
    if combining:
        if classes and classes[-1][0] + classes[-1][1] == code_point and classes[-1][2] == combining:
            classes[-1][1] += 1
        else:
            classes.append([code_point, 1, combining])

with open(Path(__file__).with_name("canonical.bin"), "wb") as file:
    file.write(struct.pack("<i", len(decompositions)))
    for entry in decompositions:
        file.write(struct.pack("<4i", *entry))
    file.write(struct.pack("<i", len(classes)))
    for entry in classes:
        file.write(struct.pack("<3i", *entry))
print(f"{len(decompositions)} decompositions, {len(classes)} runs of combining classes")
