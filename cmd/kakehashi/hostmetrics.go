package main

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// measure makes the metrics: at each municipality's /metrics its own, at the host's those of
// the process and of all, every one with the code of its municipality.
func (h *host) measure() {
	registry := prometheus.NewRegistry()
	h.astray = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "kakehashi_host_misdirected_total", Help: "requests by a name or path that no municipality has",
	})
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), h.astray)
	for _, one := range h.cities {
		own := prometheus.NewRegistry()
		for _, c := range one.collectors() {
			own.MustRegister(c)
			registry.MustRegister(c)
		}
		one.metrics = promhttp.HandlerFor(own, scraping())
	}
	h.metrics = promhttp.HandlerFor(registry, scraping())
}

// scraping bounds a scrape: one set whose database hangs must not hold the others' numbers.
func scraping() promhttp.HandlerOpts {
	return promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 10 * time.Second}
}

// collectors gives what is measured of one municipality.
func (h *hosted) collectors() []prometheus.Collector {
	labels := prometheus.Labels{"municipality": h.code}
	h.restarts = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "kakehashi_host_restarts_total", Help: "how often the municipality's set was built anew", ConstLabels: labels,
	})
	h.refused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "kakehashi_host_refused_total", Help: "requests beyond the municipality's limits", ConstLabels: labels,
	})
	up := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kakehashi_host_up", Help: "1 where the municipality's set lives", ConstLabels: labels,
	}, func() float64 { return float64(number(h.now.Load() != nil)) })
	return []prometheus.Collector{h.restarts, h.refused, up, labelled{code: h.code, of: h.gatherer}}
}

// gatherer gives the metrics of the set; nil while it is down.
func (h *hosted) gatherer() prometheus.Gatherer {
	if l := h.now.Load(); l != nil {
		return l.set.telemetry.metrics
	}
	return nil
}

// labelled collects what a set measures and adds the code of its municipality. What the
// set says of the process is left out: it is everybody's.
type labelled struct {
	code string
	of   func() prometheus.Gatherer
}

// Describe says nothing beforehand: what a set measures changes.
func (labelled) Describe(chan<- *prometheus.Desc) {}

// Collect sends what the set measures now.
func (l labelled) Collect(ch chan<- prometheus.Metric) {
	from := l.of()
	if from == nil {
		return
	}
	families, err := from.Gather()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(prometheus.NewDesc("kakehashi_host_gather", "a set could not be measured", nil, nil), err)
	}
	for _, f := range families {
		name := f.GetName()
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		for _, m := range f.GetMetric() {
			names, values := []string{"municipality"}, []string{l.code}
			for _, pair := range m.GetLabel() {
				names, values = append(names, pair.GetName()), append(values, pair.GetValue())
			}
			desc := prometheus.NewDesc(name, f.GetHelp(), names, nil)
			var one prometheus.Metric
			switch f.GetType().String() {
			case "COUNTER":
				one, err = prometheus.NewConstMetric(desc, prometheus.CounterValue, m.GetCounter().GetValue(), values...)
			case "GAUGE":
				one, err = prometheus.NewConstMetric(desc, prometheus.GaugeValue, m.GetGauge().GetValue(), values...)
			case "HISTOGRAM":
				buckets := map[float64]uint64{}
				for _, b := range m.GetHistogram().GetBucket() {
					buckets[b.GetUpperBound()] = b.GetCumulativeCount()
				}
				one, err = prometheus.NewConstHistogram(desc, m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum(), buckets, values...)
			default: // a set has no other types
				continue
			}
			if err != nil {
				one = prometheus.NewInvalidMetric(desc, err)
			}
			ch <- one
		}
	}
}
