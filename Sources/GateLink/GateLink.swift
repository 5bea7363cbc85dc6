// GateLink
