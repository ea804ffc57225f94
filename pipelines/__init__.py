"""What happened? Bytes in; frames of counts and of control-plane events out."""
