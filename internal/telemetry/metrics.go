package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// durationBuckets are in seconds. 1 ms to 10 s, three to a decade, for the
// answers to InFlow (which wants one within 5 s), activities and calls; the rest for what
// takes as long as people do: settling, grace, InFlow's allowance.
var durationBuckets = []float64{
	.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10,
	30, 60, 300, 1800,
}

// view gives every histogram of seconds the same buckets, and drops the
// attributes whose values a stranger chooses, and the sizes of bodies: nobody asks for
// those of webhooks, and two histograms with each request are a good part of what a refusal costs.
func view(instrument sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if strings.HasPrefix(instrument.Name, "http.") && strings.HasSuffix(instrument.Name, ".body.size") {
		return sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}, true
	}
	duration := instrument.Kind == sdkmetric.InstrumentKindHistogram && instrument.Unit == "s"
	server := strings.HasPrefix(instrument.Name, "http.server.")
	if !duration && !server {
		return sdkmetric.Stream{}, false
	}
	stream := sdkmetric.Stream{Name: instrument.Name, Description: instrument.Description, Unit: instrument.Unit}
	if duration {
		stream.Aggregation = sdkmetric.AggregationExplicitBucketHistogram{Boundaries: durationBuckets}
	}
	if server {
		// Taken from the request's Host header: every made-up host would be a new series.
		stream.AttributeFilter = attribute.NewDenyKeysFilter("server.address", "server.port")
	}
	return stream, true
}
