package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"error-check-gate/internal/config"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

func newFakeInflowCommand() *cobra.Command {
	var listen, payload, retryAfter, subscriber, secretFile string
	var faults, deliveryFaults []string
	var noSamples bool
	var options fakeinflow.Options
	cmd := &cobra.Command{
		Use:   "fake-inflow",
		Short: "Run a stand-in for InFlow's API, with sample orders",
		Long: `Run a stand-in for InFlow Inventory's Cloud API on this machine: sales orders,
webhook subscriptions, the account's allowance of requests, and signed webhooks
whenever an order, a customer or a product is created or edited. Nothing reaches
the real InFlow, and everything is forgotten when it stops, unless --state names a
file: what is in it is used, and every change is in it within a second.

It starts with 17 sample orders of a dealer in cabinets: ten that are right, and
seven with one fault each. Edit them in a browser or with curl, as it prints.
'gate dev' has one of its own; use this command to run the gate's processes by hand.

--fault makes the API answer wrongly, --delivery-fault makes webhooks go wrong; each
may be given more than once, and set while it runs, on its page or with POST
/_fake/faults and /_fake/delivery-faults. A fault is JSON. It fits all requests, or
those of a "route" or a "salesOrderId", and of these each, or one in "every"; it ends
after it was met "times" times. What it does, alone or together:
  latency "2s", slowBody "2s"        waits before the answer, or within it
  status 500, retryAfter "7s", body  answers with that instead
  cut, dropped, answerLost           breaks the connection: within the answer, before the
                                     request is applied, or after that without an answer
  stale "2s"                         orders are as they were 2 seconds ago, new ones unknown
  incomplete "2s"                    orders younger than that come without their lines
  leftOut ["lines","customer"]       orders come without these, although they were asked for
A delivery fault has salesOrderId, every and times too, and does:
  lost, doubled                      never sent; sent twice
  delay "30s"                        late
  reordered                          sent after the next`,
		Example: `  gate fake-inflow
  gate fake-inflow --listen 127.0.0.1:6000 --api-key my-key --payload live
  gate fake-inflow --requests-per-minute 0 --no-samples --state inflow.json
  gate fake-inflow --fault '{"status":500,"every":10}' --fault '{"stale":"2s"}' --delivery-fault '{"lost":true,"times":3}'`,
		Args: noArgs("gate fake-inflow takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.LoadFakeInflow(config.OS())
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			listen = cmp.Or(listen, settings.DevInflowAddr)
			options.CompanyID = cmp.Or(options.CompanyID, settings.InflowCompanyID)
			// A key of the environment is not shown: the shell that has it can name it.
			shownKey := `"$INFLOW_API_KEY"`
			if options.APIKey != "" || settings.InflowAPIKey == "" {
				shownKey = ""
			} else {
				options.APIKey = string(settings.InflowAPIKey)
			}
			form, err := fakeinflow.ParsePayloadForm(payload)
			if err != nil {
				return &exitError{code: exitUsage, err: fmt.Errorf("--payload: %w", err)}
			}
			options.PayloadForm = form
			if options.RetryAfter, err = fakeinflow.ParseRetryAfter(retryAfter); err != nil {
				return &exitError{code: exitUsage, err: fmt.Errorf("--retry-after: %w", err)}
			}
			options.Logger = slog.New(logHandler(cmd.ErrOrStderr(), settings))
			server, err := fakeinflow.New(options)
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			defer server.Close()
			if err := setFaults(server, faults, deliveryFaults); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			if (subscriber == "") != (secretFile == "") {
				return &exitError{code: exitUsage, err: errors.New("--subscribe and --subscribe-secret-file go together: give both or neither")}
			}
			if subscriber != "" {
				if err := subscribeWithFile(server, subscriber, secretFile); err != nil {
					return &exitError{code: exitUsage, err: err}
				}
			}
			if !noSamples && !server.Restored() {
				if err := addSampleOrders(server); err != nil {
					return err
				}
			}
			listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("fake InFlow cannot listen (choose another address with --listen): %w", err)
			}
			if err := printFakeInflow(cmd.OutOrStdout(), server, "http://"+localAddress(listener.Addr()), shownKey); err != nil {
				return errors.Join(err, listener.Close())
			}
			return server.Serve(cmd.Context(), listener)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "", "address to listen on (default: DEV_INFLOW_ADDR, else 127.0.0.1:5010)")
	flags.StringVar(&options.CompanyID, "company", "", "the company's id (default: INFLOW_COMPANY_ID, else "+fakeinflow.DefaultCompanyID+")")
	flags.StringVar(&options.APIKey, "api-key", "", "the one API key that is accepted (default: INFLOW_API_KEY, else a new one, which is printed)")
	flags.IntVar(&options.RequestsPerMinute, "requests-per-minute", 60, "the account's allowance; 0 is without a limit")
	flags.StringVar(&payload, "payload", "", "form of the webhooks' bodies: documented, live or alternate (default: that of the events' names in the subscription)")
	flags.StringVar(&retryAfter, "retry-after", "always", "when a 429 names the wait: always, never or sometimes")
	flags.StringVar(&options.StateFile, "state", "", "file that keeps orders, subscriptions and secrets from one start to the next")
	flags.StringArrayVar(&faults, "fault", nil, "a fault of the API as JSON, see above; may be repeated")
	flags.StringArrayVar(&deliveryFaults, "delivery-fault", nil, "a fault of webhooks as JSON, see above; may be repeated")
	flags.IntVar(&options.DeliveriesAtOnce, "deliveries-at-once", fakeinflow.DefaultDeliveriesAtOnce, "webhooks under way to one subscription")
	flags.DurationVar(&options.DeliveryTimeout, "delivery-timeout", 30*time.Second, "how long a receiver may take to answer a webhook")
	flags.DurationSliceVar(&options.RetryDelays, "retry-delays", fakeinflow.DefaultRetryDelays(), "the waits before each further attempt of a webhook; after the last it is given up")
	flags.Float64Var(&options.RetryJitter, "retry-jitter", 0.2, "the most that is added at random to each of these, as a share of it")
	flags.IntVar(&options.SwitchOffAfter, "switch-off-after", 0, "webhooks given up in a row that switch a subscription off; 0 is never")
	flags.StringVar(&subscriber, "subscribe", "", "URL that gets the webhooks of sales orders from the start")
	flags.StringVar(&secretFile, "subscribe-secret-file", "", "file with the secret that signs them, which the receiver has too")
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

func logHandler(w io.Writer, settings config.FakeInflow) slog.Handler {
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	if settings.LogFormat == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// setFaults names the fault that it cannot set.
func setFaults(server *fakeinflow.Server, faults, deliveryFaults []string) error {
	for _, text := range faults {
		fault, err := fakeinflow.ParseFault([]byte(text))
		if err == nil {
			err = server.SetFault(fault)
		}
		if err != nil {
			return fmt.Errorf("--fault %s: %w", text, err)
		}
	}
	for _, text := range deliveryFaults {
		fault, err := fakeinflow.ParseDeliveryFault([]byte(text))
		if err == nil {
			err = server.SetDeliveryFault(fault)
		}
		if err != nil {
			return fmt.Errorf("--delivery-fault %s: %w", text, err)
		}
	}
	return nil
}

// subscribeWithFile subscribes with the first secret of a file that an ingress may read too.
func subscribeWithFile(server *fakeinflow.Server, target, path string) error {
	content, err := os.ReadFile(path) //nolint:gosec // the operator's own setting
	if err != nil {
		return fmt.Errorf("--subscribe-secret-file: %w", err)
	}
	secret, _, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
	if _, err := inflow.ParseSecrets(secret); err != nil {
		return fmt.Errorf("--subscribe-secret-file=%s: %w", path, err)
	}
	if err := server.Subscribe(target, strings.TrimSpace(secret)); err != nil {
		return fmt.Errorf("--subscribe: %w", err)
	}
	return nil
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

// printFakeInflow prints shell lines that work. shownKey, if any, stands for the key in them.
func printFakeInflow(w io.Writer, server *fakeinflow.Server, url, shownKey string) error {
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
		"{{url}}", url, "{{company}}", server.CompanyID(), "{{key}}", cmp.Or(shownKey, shellWord(server.APIKey())),
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
