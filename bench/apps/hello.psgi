# The least that an application can be: what is left is the server.
sub { [ 200, [ 'Content-Type' => 'text/plain', 'Content-Length' => 12 ], ['Hello World!'] ] }
