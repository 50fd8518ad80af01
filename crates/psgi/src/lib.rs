//! A request becomes %env, an answer becomes a reply.
