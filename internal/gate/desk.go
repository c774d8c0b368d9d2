package gate

import (
	"error-check-gate/desk"
	"error-check-gate/internal/codec"
)

// NewDesk returns a desk. o.SignIn is required. NewDesk sets the options that come from g.
func (g *Gate) NewDesk(o desk.Options) (*desk.Server, error) {
	o.Temporal, o.Namespace = g.Temporal, g.Namespace
	o.Converter = codec.NewDataConverter(g.PayloadKeys)
	if t := g.Telemetry; t != nil {
		o.Logger, o.Watchdog = t.Logger, t.Watchdog
		o.TracerProvider, o.MeterProvider = t.TracerProvider, t.MeterProvider
	}
	return desk.New(o)
}
