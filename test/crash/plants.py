"""Faults that the shim builds into flushing, which power cuts have to show. One that is not found says that the harness is blind.

On ext4 a directory that is not flushed goes unnoticed: its journal keeps the order of names, and every flush of a file that has grown writes the journal.
"""

import disks
import rounds

ROUNDS = 30


def all_found(report, seed, make, plants):
    for plant in plants:
        disk = make()
        try:
            with report.case(f"{disks.PLANTS[plant]} is found on {disk.name}"):
                found = rounds.finds(disk, seed, plant, ROUNDS)
                assert found, f"not in {ROUNDS} power cuts, seed {seed}"
                report.note(f"seed {seed}, power cut {found[0]}: {found[1][:240]}")
        finally:
            disk.close()
