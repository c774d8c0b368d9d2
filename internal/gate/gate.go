// Package gate assembles the gate's processes. 'gate ingress', 'gate worker', 'gate desk', the
// development stack and the end-to-end tests all use it, so the tests run what runs in production.
package gate

import (
	"context"

	"go.temporal.io/sdk/client"

	"error-check-gate/activities"
	"error-check-gate/ingress"
	"error-check-gate/internal/codec"
	"error-check-gate/internal/telemetry"
	"error-check-gate/worker"
)

// Gate holds the connection and the telemetry that all parts of a process share.
type Gate struct {
	// Temporal is the connection to Temporal. It is required.
	Temporal client.Client
	// Namespace is the namespace in Temporal. The worker and the desk need it.
	Namespace string
	// PayloadKeys are the keys of Temporal's client; nil if payloads are not encrypted.
	PayloadKeys *codec.Keys
	// Telemetry gets logs, metrics and traces; nil drops them.
	Telemetry *telemetry.Telemetry
}

// NewIngress returns an ingress. o.Secrets is required. NewIngress sets the options that come
// from g.
func (g *Gate) NewIngress(o ingress.Options) (*ingress.Server, error) {
	o.Temporal = g.Temporal
	if t := g.Telemetry; t != nil {
		o.Logger, o.Watchdog = t.Logger, t.Watchdog
		o.TracerProvider, o.MeterProvider = t.TracerProvider, t.MeterProvider
	}
	return ingress.New(o)
}

// RunWorker runs a worker until ctx is done. a.Orders and a.Rules are required. RunWorker sets
// the options, and the fields of a, that come from g.
func (g *Gate) RunWorker(ctx context.Context, o worker.Options, a *activities.Activities) error {
	a.PastRuns, a.Runs, a.Held, a.Gatherers = g.Temporal, g.Temporal, g.Temporal, g.Temporal
	a.MarkStops = g.Temporal
	if a.HoldMarks != nil {
		marks := *a.HoldMarks // workers may share it
		marks.Orders = a.Orders
		a.HoldMarks = &marks
		o.Sweep.HoldMarks = true
	}
	a.Converter = codec.NewDataConverter(g.PayloadKeys)
	o.Activities, o.Namespace = a, g.Namespace
	if t := g.Telemetry; t != nil {
		o.Logger, o.Meter, o.Watchdog = t.Logger, t.MeterProvider, t.Watchdog
	}
	return worker.Run(ctx, g.Temporal, o)
}
