package config

import "error-check-gate/internal/inflow"

// Secret is a text that formatting, logging and encoding mask. string(s) is the text.
type Secret = inflow.Secret

const mask = "***"
