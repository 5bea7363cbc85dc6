// NodeControl
