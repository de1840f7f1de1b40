#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text files to a C source: "a.service" becomes the string constant embed_a_service, which HEADER declares.

usage: embed.py OUTPUT HEADER FILE...
"""
import os
import sys

with open(sys.argv[1], "w", encoding="utf-8") as out:
    out.write(f'/* Made by tools/embed.py. */\n#include "{sys.argv[2]}"\n\n')
    for path in sys.argv[3:]:
        name = "".join(c if c.isalnum() else "_" for c in os.path.basename(path))
        out.write(f"const char embed_{name}[] =\n")
        with open(path, encoding="utf-8") as text:
            for line in text:
                line = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
                out.write(f'\t"{line}"\n')
        out.write("\t;\n")
