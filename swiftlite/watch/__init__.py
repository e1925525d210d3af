"""What is known of a cluster and what is wrong with it: asked of its servers, judged by rules, for tools and the console."""
