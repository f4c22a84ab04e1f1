# What differs from run to run and is no difference: times, seeds,
# addresses, and counts of what was done in a time.
s/\([0-9]+\.[0-9]+s\)/(TIME)/g
s/[0-9]+(\.[0-9]+)? ms/N ms/g
s/seed [0-9]+/seed N/g
s/TETHER_SEED=[0-9]+/TETHER_SEED=N/
s/0x[0-9a-f]+/ADDRESS/g
s/[0-9]+ operations/N operations/g
# The table: peaks of several threads are lower bounds.
/^\[heap\]/d
