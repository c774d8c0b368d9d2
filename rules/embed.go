// Package ruleset embeds the rule set that holds if no rule file is given.
package ruleset

import "embed"

// Files holds [DefaultFile].
//
//go:embed default.yaml
var Files embed.FS

// DefaultFile is the general checks, which any company would want.
const DefaultFile = "default.yaml"
