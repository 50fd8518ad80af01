# Bodies that are files, by path: the file `data` of TEST_DIR, opened in every way. Whoever closes a body
# is told in the log.
use strict;
use warnings;
use Plack::App::File;
use Plack::Middleware::XSendfile;

my $dir  = $ENV{TEST_DIR};
my $text = [ 'Content-Type' => 'text/plain' ];

sub data {
    my ($how, $file) = @_;
    open my $f, $how // '<:raw', $file // "$dir/data" or die "data: $!";
    return bless $f, 'Closing';
}

my $app  = Plack::App::File->new(root => $dir)->to_app;
my $sent = Plack::Middleware::XSendfile->wrap($app);
my %answer = (
    '/plain'   => sub { [ 200, $text, data() ] },
    '/read'    => sub { my $f = data(); read $f, my $b, 3; [ 200, $text, $f ] },
    '/line'    => sub { my $f = data(); my $l = <$f>; [ 200, $text, $f ] },
    '/seek'    => sub { my $f = data(); seek $f, 5, 0; [ 200, $text, $f ] },
    '/beyond'  => sub { my $f = data(); seek $f, 5, 2; [ 200, $text, $f ] },
    '/upper'   => sub { [ 200, $text, data('<:via(Upper)') ] },
    '/gzip'    => sub { [ 200, $text, data('<:gzip', "$dir/data.gz") ] },
    '/utf8'    => sub { [ 200, $text, data('<:utf8') ] },
    '/crlf'    => sub { [ 200, $text, data('<:crlf') ] },
    '/memory'  => sub { open my $f, '<', \"in memory\n" or die; [ 200, $text, $f ] },
    '/written' => sub { my $f = data('+<'); seek $f, 0, 2; print $f '!'; seek $f, 0, 0; [ 200, $text, $f ] },
    '/path'    => sub { my $f = data(); bless $f, 'Elsewhere'; [ 200, $text, $f ] },
    '/cut'     => sub { [ 200, [ @$text, 'Content-Length' => 3 ], data() ] },
    '/missing' => sub { [ 200, [ @$text, 'Content-Length' => 1 + -s "$dir/data" ], data() ] },
    '/proc'    => sub { [ 200, $text, data('<', '/proc/self/status') ] },
    '/dir'     => sub { open my $f, '<', $dir; [ 200, $text, $f ] },
    '/own'     => sub { bless my $f = data(), 'Own'; [ 200, $text, $f ] },
    '/own-later' => sub { sub { bless my $f = data(), 'Own'; $_[0]->([ 200, $text, $f ]) } },
    '/later'   => sub { sub { $_[0]->([ 200, $text, data() ]) } },
    '/bad'     => sub { [ 200, [ 'X-Bad' => "a\nb" ], data() ] },
);

sub {
    my $env  = shift;
    my $path = $env->{PATH_INFO};
    return $app->($env) if $path =~ s{^/app/}{/} and $env->{PATH_INFO} = $path;
    if ($path =~ s{^/sent/}{/}) {
        local $env->{PATH_INFO}             = $path;
        local $env->{'plack.xsendfile.type'} = 'X-Sendfile';
        return $sent->($env);
    }
    # /x/STATUS/KIND?what: an X-Sendfile of it, beside a body of that kind.
    if ($path =~ m{^/x/(\d+)/(\w+)}) {
        my ($status, $kind) = ($1, $2);
        my ($file, @more) = split /&/, $env->{QUERY_STRING};
        s/%(..)/chr hex $1/eg for $file, @more;
        my @fields = (
            'Content-Type' => 'text/x-sent', 'X-Sendfile' => $file, 'Set-Cookie' => 'a=b',
            map { split /=/, $_, 2 } @more
        );
        my %body = (
            none   => sub { [ $status, \@fields, [] ] },
            array  => sub { [ $status, [ @fields, 'Content-Length' => 5 ], ['wrong'] ] },
            gzip   => sub { [ $status, [ @fields, 'Content-Encoding' => 'gzip' ], ['wrong'] ] },
            file   => sub { [ $status, \@fields, data() ] },
            object => sub { [ $status, \@fields, bless [ ('wrong') x 9 ], 'Pieces' ] },
            later  => sub { sub { $_[0]->([ $status, \@fields, bless ['wrong'], 'Pieces' ]) } },
            writer => sub {
                sub {
                    my $w = $_[0]->([ $status, \@fields ]);
                    print STDERR 'written: ', ($w->write('wrong') ? 'yes' : 'no'), "\n" for 1 .. 3;
                    $w->close;
                }
            },
        );
        return $body{$kind}->();
    }
    return ($answer{$path} // sub { [ 200, $text, [$path] ] })->();
};

package Closing;
use parent -norequire, 'IO::Handle';
sub close { my $f = shift; print STDERR "file closed\n"; CORE::close $f }

# What uWSGI would open behind the handle's back.
package Elsewhere;
use parent -norequire, 'Closing';
sub path { '/etc/passwd' }

# A getline of its own is called, whatever the handle is.
package Own;
use parent -norequire, 'Closing';
sub getline { my $line = readline $_[0]; defined $line ? uc $line : undef }

package Pieces;
sub getline { shift @{ $_[0] } }
sub close   { print STDERR 'pieces closed with ', scalar @{ $_[0] }, "\n" }

# A layer that is not the file's bytes.
package Upper;
sub PUSHED { my $class = shift; return bless [], $class }
sub FILL   { my ($self, $fh) = @_; my $line = <$fh>; defined $line ? uc $line : undef }
BEGIN { $INC{'Upper.pm'} = __FILE__ }
