# Answers with the path: the least that tells one request from another.
sub { [ 200, [ 'Content-Type' => 'text/plain' ], [ $_[0]{PATH_INFO} ] ] };
