"""`make faults`: injects faults of many kinds and counts what was lost, doubled, failed or not reported.

*Lost* is a row, durable answer, verdict or outcome that was committed or acknowledged and isn't there afterwards, and
a row of an accepted batch that is neither in the lake, nor a duplicate, nor in quarantine. *Doubled* is what is there
twice. *Failed* is a request to a running service that got no proper answer (5xx, reset, timeout) although the fault
doesn't concern it; those that a killed worker was answering, one a connection at most, are its own. *Reported* is a
fault that an error, an answer, a line of the log or a reason in quarantine names.

Three kinds need more words. After a kill, a fault is reported when the next attempt, which nobody has to ask for by
name, does the work completely. Damaged stored bytes must be refused by name, and count as lost unless everything is
there again after the remedy that the message names: put the file back, or fold again. A flipped bit that holds nothing
(free room in a page of SQLite) has nothing to report, if everything is read as before.
"""
