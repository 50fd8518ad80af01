# Waits 10 ms, as for a database that does not hurry, and answers.
sub {
    select undef, undef, undef, 0.01;
    [ 200, [ 'Content-Type' => 'text/plain', 'Content-Length' => 12 ], ['Hello World!'] ];
}
