# Reference results of the invariance ladder of ordered indicators (Wu & Estabrook 2016) by lavaan, models by semTools::measEq.syntax.
#
# Data: tests/oracles/sem/data/bfi_ac.csv, complete cases; "three" and "two" merge its six categories by ceiling(x / 2) and x > 3.
# measEq.syntax fixes the residual variance of an item of two categories at 1 while loadings are equal and intercepts are not, so that its
# "scalar" is not nested in its "metric"; the case "mixed_two" therefore writes that level with the residual variance free.
# Run in this folder: Rscript run.R
suppressMessages({library(lavaan); library(semTools); library(jsonlite)})
items <- c(paste0("A", 1:5), paste0("C", 1:5))
raw <- read.csv("../sem/data/bfi_ac.csv")
raw <- raw[complete.cases(raw[, c(items, "gender", "age")]), ]
raw$thirds <- as.integer(cut(raw$age, c(0, 21, 30, 100)))
merged <- function(names, rule) { found <- raw; found[names] <- lapply(found[names], rule); found }
two <- function(x) as.integer(x > 3)
model <- "agree =~ A1 + A2 + A3 + A4 + A5\nconsc =~ C1 + C2 + C3 + C4 + C5\n"
classes <- c("thresholds", "loadings", "intercepts", "residuals", "means")
steps <- list(configural = 0, thresholds = 1, metric = 2, scalar = 3, strict = 4, means = 5)
cases <- list(
  six = list(data = raw),
  six_uls = list(data = raw, estimator = "ULSMV"),
  six_wlsm = list(data = raw, estimator = "WLSM"),
  three = list(data = merged(items, function(x) ceiling(x / 2))),
  two = list(data = merged(items, two), levels = c("configural", "scalar", "strict", "means")),
  mixed = list(data = raw, ordered = items[1:5]),
  mixed_two = list(data = merged(c("A2", "C4"), two), own = "metric"),
  partial = list(data = raw, partial = c("A1 | t2", "A3 ~ 1", "C2 ~~ C2", "C4 ~ 1"), python = c("A1 | t2", "A3 ~1", "C2 ~~ C2", "C4 ~1")),
  three_groups = list(data = raw, group = "thirds")
)
control <- list(rel.tol = 1e-10, iter.max = 20000, eval.max = 50000)
# items of two categories at "metric": threshold and loading equal, intercept and residual variance free in the second group
metric_by_hand <- function(spec) {
  text <- as.character(measEq.syntax(model, data = spec$data, ordered = items, parameterization = "theta", ID.fac = "std.lv",
    ID.cat = "Wu.Estabrook.2016", group = "gender", group.equal = classes[1:2]))
  for (x in c("A2", "C4")) text <- sub(paste0(x, " ~~ c\\(1, ?1\\)\\*", x, "[^\n]*"), paste0(x, " ~~ c(1, NA)*", x), text)
  stopifnot(lengths(gregexpr("~~ c\\(1, NA\\)\\*(A2|C4)\n", text)) == 2)
  text
}
fit_level <- function(spec, level) {
  group <- if (is.null(spec$group)) "gender" else spec$group
  ordered <- if (is.null(spec$ordered)) items else spec$ordered
  estimator <- if (is.null(spec$estimator)) "WLSMV" else spec$estimator
  equal <- head(classes, steps[[level]])
  text <- if (identical(spec$own, level)) metric_by_hand(spec) else as.character(measEq.syntax(model, data = spec$data, ordered = ordered,
    parameterization = "theta", ID.fac = "std.lv", ID.cat = "Wu.Estabrook.2016", group = group, group.equal = if (length(equal)) equal else "",
    group.partial = if (is.null(spec$partial)) "" else spec$partial))
  fit <- cfa(text, data = spec$data, ordered = ordered, parameterization = "theta", group = group, estimator = estimator, control = control)
  stopifnot(lavInspect(fit, "converged"))
  list(fit = fit, text = text)
}
software <- paste0("lavaan ", packageVersion("lavaan"), ", semTools ", packageVersion("semTools"), " (R ", getRversion(), ")")
save <- function(found, name) write(toJSON(found, digits = NA, auto_unbox = TRUE, na = "null", null = "null", dataframe = "rows"), paste0(name, ".json"))
wanted <- commandArgs(trailingOnly = TRUE)
for (name in if (length(wanted)) wanted else names(cases)) {
  spec <- cases[[name]]
  levels <- if (is.null(spec$levels)) names(steps) else spec$levels
  done <- lapply(levels, function(level) fit_level(spec, level))
  fits <- lapply(done, `[[`, "fit")
  rows <- lapply(seq_along(fits), function(k) {
    measured <- fitMeasures(fits[[k]], c("df", "chisq", "chisq.scaled", "cfi.scaled", "rmsea.scaled", "srmr", "npar"))
    change <- list(chisq_diff = NA, df_diff = 0, p_diff = NA)
    if (k > 1 && measured[["df"]] > fitMeasures(fits[[k - 1]], "df")) {
      method <- if (identical(spec$estimator, "WLSM")) "satorra.bentler.2001" else "satorra.2000"
      test <- lavTestLRT(fits[[k - 1]], fits[[k]], method = method)
      change <- list(chisq_diff = test[2, "Chisq diff"], df_diff = test[2, "Df diff"], p_diff = test[2, "Pr(>Chisq)"])
    }
    c(list(level = levels[k]), as.list(measured), change)
  })
  save(list(case = name, data = "sem/data/bfi_ac.csv", software = software, model = model, group = if (is.null(spec$group)) "gender" else spec$group,
    ordered = if (is.null(spec$ordered)) items else spec$ordered, estimator = if (is.null(spec$estimator)) "wlsmv" else tolower(spec$estimator),
    partial = I(if (is.null(spec$python)) character(0) else spec$python), levels = rows, syntax = setNames(lapply(done, `[[`, "text"), levels)), name)
  cat(name, "\n")
}
# Score tests of parameters that a constraint fixes: maximum likelihood, Holzinger & Swineford
hs <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + b*x5 + c*x6\nspeed =~ x7 + x8 + x9\nx1 ~~ a*x9\nx7 ~~ d*x8\na == 0\nb == c\nd == 0.1\n"
fit <- cfa(hs, data = HolzingerSwineford1939, control = control)
save(list(case = "score_fixed", software = software, model = hs, uni = lavTestScore(fit)$uni, epc = subset(lavTestScore(fit, epc = TRUE)$epc, label != "")), "score_fixed")
