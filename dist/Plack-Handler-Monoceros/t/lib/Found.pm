# Found by way of PERL5LIB, loaded by way of PERL5OPT; says so, and what -I has added.
package Found;
use strict;
use warnings;

my $loaded = 'nobody';
sub import { $loaded = 'PERL5OPT'; return }
sub said { return join ' ', $loaded, grep { m{\A/found/by} } @INC }

1;
