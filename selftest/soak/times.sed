# Times differ from run to run and are no difference.
s/\([0-9]+\.[0-9]+s\)/(TIME)/g
s/[0-9]+(\.[0-9]+)? ms/N ms/g
