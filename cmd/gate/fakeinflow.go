package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"error-check-gate/internal/fakeinflow"
)

func newFakeInflowCommand() *cobra.Command {
	var listen, payload string
	var noSamples bool
	var options fakeinflow.Options
	cmd := &cobra.Command{
		Use:   "fake-inflow",
		Short: "Run a stand-in for InFlow's API, with sample orders",
		Long: `Run a stand-in for InFlow Inventory's Cloud API on this machine: sales orders,
webhook subscriptions, the account's allowance of requests, and signed webhooks
whenever an order is created or edited. Nothing reaches the real InFlow, and
everything is forgotten when it stops.

It starts with 17 sample orders of a dealer in cabinets: ten that are right, and
seven with one fault each. Edit them in a browser or with curl, as it prints.
'gate dev' has one of its own; use this command to run the gate's processes by hand.`,
		Example: `  gate fake-inflow
  gate fake-inflow --listen 127.0.0.1:6000 --api-key my-key --payload live
  gate fake-inflow --requests-per-minute 0 --no-samples`,
		Args: noArgs("gate fake-inflow takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := fakeinflow.ParsePayloadForm(payload)
			if err != nil {
				return &exitError{code: exitUsage, err: fmt.Errorf("--payload: %w", err)}
			}
			options.PayloadForm = form
			options.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			server, err := fakeinflow.New(options)
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			defer server.Close()
			if !noSamples {
				if err := addSampleOrders(server); err != nil {
					return err
				}
			}
			listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("fake InFlow cannot listen (choose another address with --listen): %w", err)
			}
			if err := printFakeInflow(cmd.OutOrStdout(), server, "http://"+localAddress(listener.Addr())); err != nil {
				return errors.Join(err, listener.Close())
			}
			return server.Serve(cmd.Context(), listener)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:5010", "address to listen on")
	flags.StringVar(&options.CompanyID, "company", fakeinflow.DefaultCompanyID, "the company's id")
	flags.StringVar(&options.APIKey, "api-key", "", "the one API key that is accepted (default: a new one, which is printed)")
	flags.IntVar(&options.RequestsPerMinute, "requests-per-minute", 60, "the account's allowance; 0 is without a limit")
	flags.StringVar(&payload, "payload", "", "form of the webhooks' bodies: documented, live or alternate (default: that of the events' names in the subscription)")
	flags.BoolVar(&noSamples, "no-samples", false, "start without orders")
	return cmd
}

// noArgs is cobra.NoArgs with words for what is too much.
func noArgs(message string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return &exitError{code: exitUsage, err: errors.New(message + "; see '" + cmd.CommandPath() + " --help'")}
	}
}

func addSampleOrders(server *fakeinflow.Server) error {
	samples, err := fakeinflow.Samples()
	if err != nil {
		return err
	}
	for _, sample := range samples {
		if _, err := server.AddOrder(sample.Recent(time.Now()).Order); err != nil {
			return fmt.Errorf("sample order %s: %w", sample.Name, err)
		}
	}
	return nil
}

// localAddress is where this machine reaches a listener: one that listens on every
// address is reached on the loopback one.
func localAddress(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return address.String()
}

func printFakeInflow(w io.Writer, server *fakeinflow.Server, url string) error {
	const text = `Fake InFlow answers on {{url}}. Ctrl-C ends it.

Orders, to look at and to edit:  {{url}}/_fake/

To point the gate at it:
  export INFLOW_API_URL={{url}}
  export INFLOW_COMPANY_ID={{company}}
  export INFLOW_API_KEY={{key}}

To subscribe a receiver; the answer holds the secret, this once only:
  curl -X PUT {{url}}/{{company}}/webhooks \
    -H 'Authorization: Bearer '{{key}} -H 'Accept: application/json;version=2025-06-24' \
    -H 'Content-Type: application/json' \
    -d '{"url":"http://127.0.0.1:5000/webhook/inflow","events":["salesOrder.created","salesOrder.updated"],
         "webHookSubscriptionId":"{{subscription}}","webHookSubscriptionRequestId":"{{request}}"}'
`
	const orders = `
To list the orders, and to edit one, which sends the webhook:
  curl {{url}}/_fake/orders
  curl -X PATCH {{url}}/_fake/orders/{{order}} -H 'Content-Type: application/json' -d '{"orderRemarks":"edited"}'
  curl {{url}}/_fake/deliveries
`
	replace := []string{
		"{{url}}", url, "{{company}}", server.CompanyID(), "{{key}}", shellWord(server.APIKey()),
		"{{subscription}}", uuid.NewString(), "{{request}}", uuid.NewString(),
	}
	shown := text
	if list := server.Orders(); len(list) > 0 {
		shown += orders
		replace = append(replace, "{{order}}", list[0].ID)
	}
	_, err := io.WriteString(w, strings.NewReplacer(replace...).Replace(shown))
	return err
}

// shellWord is the text as one word of a shell's command line.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
