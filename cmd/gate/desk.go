package main

import (
	"context"

	"github.com/spf13/cobra"

	"error-check-gate/desk"
	"error-check-gate/internal/config"
	"error-check-gate/internal/edge"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
)

func newDeskCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "desk",
		Short: "Serve the pages and the API for people who act on held orders",
		Long: `Serve the order desk on DESK_ADDR (default 127.0.0.1:5030): a list of held orders, a
page for each order, and an API at /api/v1.

It needs Temporal (TEMPORAL_ADDRESS, …) and a secret of 32 bytes or more that signs
sessions and links (DESK_SECRET or DESK_SECRET_FILE). DESK_PEOPLE lists who may sign in,
by mail (SMTP_ADDR, MAIL_FROM) or by OpenID Connect (DESK_OIDC_ISSUER, …). On loopback,
people do not have to sign in. The desk also starts while Temporal is down.
'gate config --process desk' shows every setting.`,
		Args: exactArgs(0, "gate desk takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.LoadDesk(config.OS())
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return process(cmd.Context(), "gate-desk", settings.Log, settings.Admin,
				func(ctx context.Context, t *telemetry.Telemetry) error { return runDesk(ctx, settings, t) })
		},
	}
}

func runDesk(ctx context.Context, settings config.Desk, t *telemetry.Telemetry) error {
	listener, err := listen(ctx, "DESK_ADDR", settings.DeskAddr)
	if err != nil {
		return err
	}
	defer listener.Close() // for errors before Serve, which closes it
	keys := settings.Keys()
	effective, err := temporalconn.Effective()
	if err != nil {
		return err
	}
	temporal, err := temporalconn.Lazy(temporalconn.Options{Telemetry: t, PayloadKeys: keys})
	if err != nil {
		return err
	}
	defer temporal.Close()
	options, err := deskOptions(settings)
	if err != nil {
		return err
	}
	g := gate.Gate{Temporal: temporal, Namespace: effective.Namespace, PayloadKeys: keys, Telemetry: t}
	server, err := g.NewDesk(options)
	if err != nil {
		return err
	}
	t.ReadyWhen(server.Ready)
	t.Logger.InfoContext(ctx, "the desk is open",
		"address", settings.BaseURL().String(), "sign_in", settings.SignIn())
	return server.Serve(ctx, listener)
}

func deskOptions(settings config.Desk) (desk.Options, error) {
	links, err := settings.Signer()
	if err != nil {
		return desk.Options{}, err
	}
	return desk.Options{
		SignIn:         settings.SignInOptions(),
		Links:          links,
		APITokensFile:  settings.DeskAPITokensFile,
		TrustedProxies: edge.NewNetworks(settings.TrustedProxies),
		TemporalUIURL:  settings.TemporalUIURL,
		Location:       settings.TimeZone.Location(),
	}, nil
}
