package telemetry

import (
	"os"
	"strings"
)

// exporterConfigured says whether the environment names an exporter for a
// signal ("TRACES" or "METRICS"). The specification's default is OTLP to
// localhost; a process on a machine without a collector would then log a
// failed connection every few seconds, so here silence means none.
func exporterConfigured(signal string) bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	switch os.Getenv("OTEL_" + signal + "_EXPORTER") {
	case "none":
		return false
	case "":
		return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" ||
			os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
	default:
		return true
	}
}
