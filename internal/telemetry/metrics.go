package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// durationBuckets holds bucket bounds in seconds. The bounds from 1 ms to 10 s, three per
// decade, are for answers to InFlow (which expects one within 5 s), activities and calls. The
// others are for settling, grace periods and waits for InFlow's rate limit.
var durationBuckets = []float64{
	.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10,
	30, 60, 300, 1800,
}

// fixBuckets holds bucket bounds in seconds, from a minute to 30 days, for the time that people
// take to correct an order.
var fixBuckets = []float64{
	60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400, 14 * 86400, 30 * 86400,
}

// view gives every histogram of seconds the same buckets, except the time to fix an order. It drops
// attributes whose values untrusted callers choose. It also drops the sizes of bodies: nobody needs
// the sizes of webhooks, and two more histograms per request are a large part of the cost of a
// refusal.
func view(instrument sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if strings.HasPrefix(instrument.Name, "http.") &&
		strings.HasSuffix(instrument.Name, ".body.size") {
		return sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}, true
	}
	duration := instrument.Kind == sdkmetric.InstrumentKindHistogram && instrument.Unit == "s"
	server := strings.HasPrefix(instrument.Name, "http.server.")
	if !duration && !server {
		return sdkmetric.Stream{}, false
	}
	stream := sdkmetric.Stream{Name: instrument.Name, Description: instrument.Description,
		Unit: instrument.Unit}
	if duration {
		stream.Aggregation = sdkmetric.AggregationExplicitBucketHistogram{Boundaries: durationBuckets}
		if instrument.Name == "gate.rules.time.to.fix" {
			stream.Aggregation = sdkmetric.AggregationExplicitBucketHistogram{Boundaries: fixBuckets}
		}
	}
	if server {
		// These come from the Host header, and each made-up host would be a new series.
		stream.AttributeFilter = attribute.NewDenyKeysFilter("server.address", "server.port")
	}
	return stream, true
}
