# An application that does not load.
die "as asked\n";
