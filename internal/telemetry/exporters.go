package telemetry

import (
	"fmt"
	"net/url"
	"os"
	"strings"
)

// exporterConfigured reports whether the environment names an exporter for a signal ("TRACES" or
// "METRICS"). The specification's default is OTLP to localhost. Without a collector, a process
// would then log a failed connection every few seconds, so our default is no exporter.
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

// checkEndpoint checks the URL that a signal ("TRACES" or "METRICS") is sent to. Exporters
// silently use their default instead of an invalid URL, and nothing arrives.
func checkEndpoint(signal string) error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return fmt.Errorf("%s is not a URL with http:// or https://: "+
				"write one such as http://127.0.0.1:4318", name)
		}
		return nil
	}
	return nil
}
