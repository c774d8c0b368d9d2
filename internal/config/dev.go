package config

import (
	"net"
	"os"
	"strconv"

	"error-check-gate/internal/orderlife"
)

// CodecListen holds the address that the codec server listens on.
type CodecListen struct {
	CodecListenAddr string `env:"CODEC_LISTEN_ADDR" envDefault:"127.0.0.1:5020" hint:"an address to listen on, such as 127.0.0.1:5020"`
}

// DevInflow holds the address that the stand-in for InFlow listens on.
type DevInflow struct {
	DevInflowAddr string `env:"DEV_INFLOW_ADDR" envDefault:"127.0.0.1:5010" hint:"an address to listen on, such as 127.0.0.1:5010"`
}

// FakeInflow holds the settings of the stand-in for InFlow.
type FakeInflow struct {
	Log
	DevInflow
	// Callers must send these credentials. The stand-in makes up the missing ones.
	Credentials
}

// defaults implements [withDefaults]. People read the log.
func (*FakeInflow) defaults() map[string]string { return map[string]string{"LOG_FORMAT": "text"} }

// Dev holds the settings of the development environment.
type Dev struct {
	Log
	Admin
	Settle
	Hold
	Warnings
	Sweep
	Stop
	Rules
	InflowRate
	HoldMarks
	Payloads
	Listen
	CodecListen
	// DeskAddr must be on loopback, because nobody has to sign in.
	DeskListen
	DevInflow
	// The ports of the Temporal development server, on 127.0.0.1.
	DevTemporalPort   int `env:"DEV_TEMPORAL_PORT"    envDefault:"7233"           hint:"a port from 1 to 65535"`
	DevTemporalUIPort int `env:"DEV_TEMPORAL_UI_PORT" envDefault:"8233"           hint:"a port from 1 to 65535"`
	// DevSMTPPort is the port on 127.0.0.1 that takes the mail. DevMailAddr is the address of the
	// page that shows it.
	DevSMTPPort int    `env:"DEV_SMTP_PORT"        envDefault:"1025"           hint:"a port from 1 to 65535"`
	DevMailAddr string `env:"DEV_MAIL_ADDR"        envDefault:"127.0.0.1:5025" hint:"an address to listen on, such as 127.0.0.1:5025"`
	// DevDir keeps Temporal's database and the logs. It is created if it does not exist.
	DevDir string `env:"DEV_DIR"              envDefault:".gate"          hint:"the path of a folder"`
}

// defaults implements [withDefaults]: people read the log, and nobody should have to wait for the
// stand-in's rate limit, to see an error confirmed, or to see a missed webhook found.
func (*Dev) defaults() map[string]string {
	return map[string]string{
		"LOG_FORMAT":                 "text",
		"INFLOW_REQUESTS_PER_MINUTE": "600",
		"GRACE_PERIOD":               "20s",
		"SWEEP_EVERY":                "1m",
	}
}

// OrderSettings returns the settings of the life of an order.
func (c *Dev) OrderSettings() orderlife.Settings {
	return orderSettings(c.Settle, c.Hold, c.Warnings)
}

func (c *FakeInflow) validate(f *Faults) {
	checkAddr(f, "DEV_INFLOW_ADDR", c.DevInflowAddr)
	account := Account{Credentials: c.Credentials}
	options := account.Options()
	for _, fault := range options.Faults() {
		name, problem := fault.Rename(accountVariables)
		if name == "INFLOW_COMPANY_ID" && c.InflowCompanyID != "" ||
			name == "INFLOW_API_KEY" && c.InflowAPIKey != "" {
			f.add(name, "%s", problem)
		}
	}
}

func (c *Dev) validate(f *Faults) {
	c.Payloads.validate(f)
	work := Worker{
		Settle: c.Settle, Hold: c.Hold, Sweep: c.Sweep, Stop: c.Stop, InflowRate: c.InflowRate,
	}
	options := work.Options()
	f.addAll(options.Faults(), workerVariables)
	c.HoldMarks.validate(f, &Zone{})
	checkFiles(f, "RULES_FILE", c.RulesFiles)
	if isRemote(c.CodecListenAddr) {
		f.add("CODEC_LISTEN_ADDR", "other machines can reach %s, and the codec server of the "+
			"development environment asks for no token: write 127.0.0.1:port", c.CodecListenAddr)
	}
	if isRemote(c.DeskAddr) {
		f.add("DESK_ADDR", "other machines can reach %s, and nobody has to sign in to the desk of the "+
			"development environment: write 127.0.0.1:port", c.DeskAddr)
	}
	if info, err := os.Stat(c.DevDir); err == nil && !info.IsDir() {
		f.add("DEV_DIR", "%s is not a folder: write the path of one", c.DevDir)
	}
	c.validateListeners(f)
}

// validateListeners finds listeners that need the same port.
func (c *Dev) validateListeners(f *Faults) {
	type listener struct{ variable, addr string }
	listeners := []listener{
		{"LISTEN_ADDR", c.ListenAddr},
		{"ADMIN_ADDR", c.AdminAddr},
		{"DEV_INFLOW_ADDR", c.DevInflowAddr},
		{"DEV_MAIL_ADDR", c.DevMailAddr},
		{"CODEC_LISTEN_ADDR", c.CodecListenAddr},
		{"DESK_ADDR", c.DeskAddr},
	}
	for _, l := range listeners {
		checkAddr(f, l.variable, l.addr)
	}
	for _, p := range []struct {
		variable string
		port     int
	}{
		{"DEV_TEMPORAL_PORT", c.DevTemporalPort},
		{"DEV_TEMPORAL_UI_PORT", c.DevTemporalUIPort},
		{"DEV_SMTP_PORT", c.DevSMTPPort},
	} {
		if p.port < 1 || p.port > 65535 {
			f.add(p.variable, "%d is not a port: write 1 to 65535", p.port)
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
		listeners = append(listeners, listener{p.variable, addr})
	}
	for i, l := range listeners {
		for _, earlier := range listeners[:i] {
			checkPortClash(f, earlier.variable, earlier.addr, l.variable, l.addr)
		}
	}
}
