package gate

import (
	"error-check-gate/desk"
	"error-check-gate/internal/codec"
)

// NewDesk returns a desk. o.SignIn is required.
func (g *Gate) NewDesk(o desk.Options) (*desk.Server, error) {
	o.Temporal, o.Namespace, o.Converter = g.Temporal, g.Namespace, codec.NewDataConverter(g.PayloadKeys)
	if t := g.Telemetry; t != nil {
		o.Logger, o.TracerProvider, o.MeterProvider, o.Watchdog = t.Logger, t.TracerProvider, t.MeterProvider, t.Watchdog
	}
	return desk.New(o)
}
