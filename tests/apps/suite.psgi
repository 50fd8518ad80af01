# The server side of Plack::Test::Suite, under Plack::Middleware::Lint.
use Plack::Middleware::Lint;
use Plack::Test::Suite;

Plack::Middleware::Lint->wrap(Plack::Test::Suite->test_app_handler);
