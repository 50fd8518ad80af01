# Every form of a response, right and wrong, by path. `/` says which worker.
use strict;
use warnings;

package Pieces;
sub new     { my ($class, @pieces) = @_; return bless [@pieces], $class }
sub getline { my $next = shift @{ $_[0] }; return ref $next eq 'CODE' ? $next->() : $next }
sub close   { print STDERR "closed once\n" }

package Pieces::Bad;
our @ISA = ('Pieces');
sub close { $_[0]->SUPER::close; die "in close\n" }

package Pieces::Pathed;
our @ISA = ('Pieces');
sub path { return $0 }

package Pieces::Leaver;
our @ISA = ('Pieces');
sub close { exit 6 }

package Shown;
use overload '""' => sub { ${ $_[0] } };
sub new { my ($class, $text) = @_; return bless \$text, $class }

package Shown::Not;
use overload '""' => sub { die "not to be shown\n" };

package False;
use overload bool => sub { 0 }, '""' => sub { "a false object\n" };

package Leaver;
sub DESTROY { exit 9 }

package main;

END { print STDERR "END of $$ with $?\n" }

my @text  = ('Content-Type' => 'text/plain');
my $snow  = "\x{2603}";
my $latin = "\xe9\xff";
utf8::upgrade($latin);

sub body   { my @body   = @_; return sub { [ 200, [@text], [@body] ] } }
sub field  { my @fields = @_; return sub { [ 200, [ @text, @fields ], ['x'] ] } }
sub pieces { my @pieces = @_; return sub { [ 200, [@text], Pieces->new(@pieces) ] } }
sub given  { my @given  = @_; return sub { @given ? $given[0] : () } }
sub handle { my ($mode, $from) = @_; return sub { open my $in, $mode, ref $from ? \(my $copy = $$from) : $from or die $!; [ 200, [@text], $in ] } }

# A CODE that begins an answer, says one piece, and does something.
sub begun { my $do = shift; return sub { sub { my $w = shift->([ 200, [@text] ]); $w->write('first'); $do->() } } }

my %do = (
    '/'     => sub { [ 200, [@text], [$$] ] },
    '/mark' => sub { print STDERR "so far\n"; [ 200, [@text], [$$] ] },

    '/body/empty'   => body(undef, '', '0'),
    '/body/zero'    => body('0'),
    '/body/none'    => body(),
    '/body/numbers' => body(1.5, -7, 1e3),
    '/body/object'  => body(Shown->new('shown'), Shown->new($latin)),
    '/body/latin'   => sub { [ 200, [ @text, 'X-A' => $latin ], [$latin] ] },
    '/body/intact'  => sub { [ 200, [@text], [ join ' ', utf8::is_utf8($latin) ? 'flagged' : 'not', length $latin ] ] },
    '/body/many'    => body(map {"$_,"} 1 .. 100),

    '/lines/order'    => pieces('a', 'b', "c\n"),
    '/lines/empty'    => pieces('a', '', '', '', 'b', undef, 'behind the end'),
    '/lines/nothing'  => pieces(('') x 400, 'at last'),
    '/lines/zero'     => pieces('0', '0'),
    '/lines/path'     => sub { [ 200, [@text], Pieces::Pathed->new('not the file') ] },
    '/lines/badclose' => sub { [ 200, [@text], Pieces::Bad->new('whole') ] },
    '/lines/field'    => sub { [ 200, [ "X\n" => 1 ], Pieces->new('never sent') ] },
    '/lines/304'      => sub { [ 304, [], Pieces->new('never sent') ] },
    '/lines/long'     => sub { my $n = 0; [ 200, [@text], Pieces->new((sub { 'x' x 65_536 }) x 4_000) ] },
    '/lines/memory'   => handle('<', \"one\ntwo\n"),
    '/lines/crlf'     => handle('<:crlf', \"one\r\ntwo"),
    '/lines/pipe'     => handle('-|', 'printf "piped\n"'),

    '/wide/array'   => body("plain", $snow),
    '/wide/object'  => body(Shown->new($snow)),
    '/wide/field'   => field('X-A' => $snow),
    '/wide/name'    => field("X-$snow" => 1),
    '/wide/first'   => pieces($snow),
    '/wide/later'   => pieces('first', $snow),
    '/wide/write'   => sub { sub { my $w = shift->([ 200, [@text] ]); eval { $w->write($snow) }; $w->write("caught: $@"); $w->close } },
    '/ref/array'    => body({}),
    '/ref/first'    => pieces([]),
    '/ref/later'    => pieces('first', {}),
    '/ref/write'    => sub { sub { my $w = shift->([ 200, [@text] ]); eval { $w->write([]) }; $w->write("caught: $@"); $w->close } },
    '/shown/not'    => body(bless [], 'Shown::Not'),

    '/field/newline' => field('X-A' => "a\nX-B: b"),
    '/field/return'  => field('X-A' => "a\rX-B: b"),
    '/field/nul'     => field('X-A' => "a\0b"),
    '/field/name'    => field("X-A\nX-B" => 'b'),
    '/field/space'   => field('X A' => 'b'),
    '/field/colon'   => field('X-A: b' => 'b'),
    '/field/nameless' => field('' => 'b'),
    '/field/odd'     => field('X-A'),
    '/field/undef'   => field('X-A' => undef),
    '/field/hash'    => given([ 200, { 'X-A' => 1 }, ['x'] ]),
    '/field/none'    => given([ 200, undef, ['x'] ]),

    '/given/undef'   => given(undef),
    '/given/nothing' => given(),
    '/given/string'  => given('hello'),
    '/given/empty'   => given(''),
    '/given/number'  => given(200),
    '/given/hash'    => given({}),
    '/given/scalar'  => given(\'hello'),
    '/given/array'   => given([]),
    '/given/one'     => given([200]),
    '/given/two'     => given([ 200, [@text] ]),
    '/given/four'    => given([ 200, [@text], ['x'], 1 ]),
    '/given/status'  => given([ 'OK', [@text], ['x'] ]),
    '/given/half'    => given([ 200.5, [@text], ['x'] ]),
    '/given/no'      => given([ undef, [@text], ['x'] ]),
    '/given/body'    => given([ 200, [@text], 'hello' ]),
    '/given/nobody'  => given([ 200, [@text], undef ]),
    '/given/mute'    => given([ 200, [@text], bless {}, 'Mute' ]),

    '/dies/plain'   => sub { die "died plainly\n" },
    '/dies/object'  => sub { die bless {}, 'Object' },
    '/dies/false'   => sub { die bless {}, 'False' },
    '/dies/shown'   => sub { die bless [], 'Shown::Not' },
    '/dies/wide'    => sub { die "died of $snow\n" },
    '/dies/empty'   => sub { local $SIG{__DIE__} = sub { print STDERR "handled\n" }; die "\n" },
    '/dies/code'    => sub { sub { die "died in CODE\n" } },
    '/dies/first'   => pieces(sub { die "died at first\n" }),
    '/dies/later'   => pieces('first', sub { die "died later\n" }),
    '/dies/writer'  => begun(sub { die "died in the writer\n" }),
    '/dies/after'   => sub { sub { $_[0]->([ 200, [@text], ['whole'] ]); die "died after all\n" } },

    '/exit/app'     => sub { exit 3 },
    '/exit/code'    => sub { sub { exit 4 } },
    '/exit/writer'  => begun(sub { exit 5 }),
    '/exit/getline' => pieces('first', sub { exit 7 }),
    '/exit/first'   => pieces(sub { exit 8 }),
    '/exit/close'   => sub { [ 200, [@text], Pieces::Leaver->new('whole') ] },
    '/exit/destroy' => sub { $_[0]{guard} = bless [], 'Leaver'; [ 200, [@text], ['whole'] ] },
);

sub {
    my $env = shift;
    my $do = $do{ $env->{PATH_INFO} } or return [ 404, [@text], ['nothing here'] ];
    return $do->($env);
};
