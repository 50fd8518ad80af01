# A browser that keeps its connection, and that complains about a page with somebody else's mark.
package Browser;
use strict;
use warnings;
use parent 'WWW::Mechanize';
use Encode qw(encode_utf8);

# `base` is the server's address, `number` the visitor's own; `root` may see everybody's.
sub visitor {
    my ($class, $base, $number) = @_;
    my $self = $class->SUPER::new(keep_alive => 1, autocheck => 1, timeout => 120, stack_depth => 3, cookie_jar => {});
    @$self{qw(visitor_base visitor_number visitor_requests)} = ($base, $number, 0);
    $self->add_handler(request_prepare => sub { shift->uri->fragment(undef); return });    # LWP tells a proxy of it
    $self->add_handler(request_send => sub { $self->{visitor_requests}++; return });
    $self->add_handler(response_done => sub { $self->{visitor_foreign} //= foreign($number, shift); return });
    return $self;
}

sub number   { $_[0]{visitor_number} }
sub requests { $_[0]{visitor_requests} }

# Goes to a page of the application, whatever its name.
sub visit { my ($self, $path, @rest) = @_; $self->get($self->{visitor_base} . $path, @rest) }

# Somebody else's mark in what came, if there is one.
sub foreign {
    my ($number, $response) = @_;
    my $content = $response->decoded_content(charset => 'none') // $response->content;
    return if $number eq 'root';
    my @foreign = grep { $_ ne $number } $content =~ /mark-(\w+)-/g;
    return @foreign ? 'mark of ' . $foreign[0] . ' in ' . $response->request->uri : undef;
}

# The page contains this; texts are characters.
sub has {
    my ($self, @texts) = @_;
    die "$self->{visitor_foreign}\n" if $self->{visitor_foreign};
    my $content = $self->content;
    for my $text (@texts) {
        next if ref $text ? $content =~ $text : index($content, $text) >= 0;
        die encode_utf8('no ' . $text) . ' in ' . $self->uri . ' (' . $self->status . "):\n" . encode_utf8(substr shown($content), 0, 1_500);
    }
    return 1;
}

# The page does not contain this.
sub lacks {
    my ($self, @texts) = @_;
    my $content = $self->content;
    index($content, $_) >= 0 and die encode_utf8($_) . ' in ' . $self->uri . "\n" for @texts;
    return 1;
}

# Goes to a page that is to be answered with another status than 200.
sub refused {
    my ($self, $status, $path) = @_;
    $self->{autocheck} = 0;
    my $answer = $self->visit($path);
    $self->{autocheck} = 1;
    $answer->code == $status or die "$path: " . $answer->status_line . ", not $status\n";
    return $answer;
}

sub shown {
    my $text = shift;
    $text =~ s{<(script|style|head)\b.*?</\1>}{}gs;
    $text =~ s/<[^>]+>/ /g;
    $text =~ s/\s+/ /g;
    return $text;
}

1;
