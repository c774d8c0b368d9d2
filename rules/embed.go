// Package ruleset embeds the default rule set, which the gate uses if no rule file is given.
package ruleset

import "embed"

// Files holds [DefaultFile].
//
//go:embed default.yaml
var Files embed.FS

// DefaultFile is the name of the file with the general checks, which suit any company.
const DefaultFile = "default.yaml"
