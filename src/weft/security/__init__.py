"""Who is it, may it, and what was done: authentication, policy, certificates, secrets, audit."""
