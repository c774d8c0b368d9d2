// Package gate puts the gate's two processes together. 'gate ingress', 'gate worker', 'gate dev' and
// the end-to-end tests all run what it builds, so what the tests try is what runs in production.
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

// Gate is what both processes stand on.
type Gate struct {
	Temporal client.Client
	// Namespace is the one that Temporal was dialed with. Only a worker needs it.
	Namespace string
	// PayloadKeys are those that Temporal was dialed with; nil if payloads are not encrypted.
	PayloadKeys *codec.Keys
	// Telemetry takes logs, metrics and traces; nil drops them.
	Telemetry *telemetry.Telemetry
}

// NewIngress returns an ingress that hands deliveries over to Temporal. o.Secrets is required.
func (g *Gate) NewIngress(o ingress.Options) (*ingress.Server, error) {
	o.Temporal = g.Temporal
	if t := g.Telemetry; t != nil {
		o.Logger, o.TracerProvider, o.MeterProvider, o.Watchdog = t.Logger, t.TracerProvider, t.MeterProvider, t.Watchdog
	}
	return ingress.New(o)
}

// RunWorker runs a worker until ctx is done. a.Orders and a.Rules are required.
func (g *Gate) RunWorker(ctx context.Context, o worker.Options, a *activities.Activities) error {
	a.PastRuns, a.Runs, a.Held, a.Gatherers = g.Temporal, g.Temporal, g.Temporal, g.Temporal
	a.Converter = codec.NewDataConverter(g.PayloadKeys)
	o.Activities, o.Namespace = a, g.Namespace
	if t := g.Telemetry; t != nil {
		o.Logger, o.Meter, o.Watchdog = t.Logger, t.MeterProvider, t.Watchdog
	}
	return worker.Run(ctx, g.Temporal, o)
}
