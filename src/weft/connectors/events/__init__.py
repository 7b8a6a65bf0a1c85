"""Events for business systems: CloudEvents by subscription."""
