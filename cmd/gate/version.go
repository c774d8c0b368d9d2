package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// unknown stands for facts that the build does not record, such as the commit if Git is missing.
const unknown = "unknown"

// build holds the facts that 'gate version' prints.
type build struct {
	Version     string `json:"version"`
	Commit      string `json:"commit"`
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	TemporalSDK string `json:"temporalSDK"`
}

// readBuild reads the facts that the Go linker recorded.
func readBuild() build {
	b := build{
		Version: version, Commit: unknown, Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, TemporalSDK: unknown,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	modified := false
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Commit = setting.Value
		case "vcs.modified":
			modified = setting.Value == "true"
		}
	}
	if modified {
		b.Commit += " with changes"
	}
	for _, module := range info.Deps {
		if module.Path == "go.temporal.io/sdk" {
			b.TemporalSDK = module.Version
		}
	}
	return b
}

func (b *build) writeText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "gate %s\ncommit %s\n%s %s\nTemporal SDK %s\n",
		b.Version, b.Commit, b.Go, b.Platform, b.TemporalSDK)
	return err
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of gate, Go and the Temporal SDK",
		Long:    "Print the version and the commit of gate, and the versions of Go and the Temporal SDK.",
		Example: "  gate version\n  gate version --json | jq -r .commit",
		Args:    exactArgs(0, "gate version takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := readBuild()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			return b.writeText(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
