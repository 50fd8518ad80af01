package Greeting;
# A library that -I and -M have to find.
use strict;
use warnings;

sub new  { bless {}, shift }
sub text { 'hello from a library' }

1;
