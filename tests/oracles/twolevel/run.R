# Reference results of two-level models by lavaan, brought to its own optimum.
#
# lavaan's search (nlminb) stops at a gradient of about 1e-6, and its EM for the unrestricted moments at a change of the log-likelihood
# of 1e-4 (a constant in its source). Here EM runs to a change of 1e-12, and Newton steps with lavaan's own gradient and Hessian polish the estimates, after
# which lavaan computes standard errors and tests at the polished point. Run in this folder: Rscript run.R
suppressMessages({library(lavaan); library(jsonlite)})
em <- lavaan:::lav_mvnorm_cluster_em_sat
assignInNamespace("lav_mvnorm_cluster_em_sat", function(YLp, Lp, verbose, tol, min.variance, max.iter)
  em(YLp = YLp, Lp = Lp, verbose = verbose, tol = 1e-12, min.variance = min.variance, max.iter = 50000L), ns = "lavaan")
data <- read.csv("../sem/data/demo_twolevel.csv")

cfa2 <- "level: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3\n"
sem2 <- "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2 + x3\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1 + w2\n"
equal <- "level: 1\nfw =~ y1 + a*y2 + b*y3\nlevel: 2\nfb =~ y1 + a*y2 + b*y3\n"
path <- "level: 1\ny1 ~ x1 + x2\nlevel: 2\ny1 ~ w1 + w2\n"
# lavaan's scores of clusters leave out the within-level mean of a variable that stands on both levels. It is not 0 when such a variable
# depends on within-level covariates whose mean is not 0; therefore the robust cases have centred covariates, held (fixed.x).
centred <- data
for (x in c("x1", "x2", "x3")) centred[[x]] <- data[[x]] - mean(data[[x]])
# Values missing by a rule on the number of the row (and of the cluster), so that any program can make the same holes
holes <- centred
i <- seq_len(nrow(data))
holes$y1[(7 * i) %% 23 < 3] <- NA
holes$y2[(11 * i) %% 19 < 2] <- NA
holes$y3[(13 * i) %% 17 < 2] <- NA
holes$w2[data$cluster %% 9 == 0] <- NA
context <- "level: 1\ny1 ~ bw*y4\nlevel: 2\ny1 ~ bb*y4 + w1\ncontext := bb - bw\n"
sides <- "level: within\ny1 ~ x1\ny2 ~ y1\nlevel: between\ny1 ~ w1\nw2 ~ y1\n"
two <- "level: within\nf =~ y1 + y2 + y3\ng =~ y4 + y5 + y6\ng ~ f\nlevel: between\nfb =~ y1 + y2 + y3\ngb =~ y4 + y5 + y6\ngb ~ fb + w1\n"
# Groups of clusters, of 1,250 cases each, but 100 clusters of 5 or 20 and 100 of 10 or 15. lavaan 0.6-14 divides the log-likelihood of each
# group by the cases of all, and weights it by its share of them once more: where parameters are equal across groups its optimum is that
# of the likelihood only if the groups are of the same size (`uneven`: they are not). It wants the blocks written for each group, holds
# of `group.equal` the loadings alone, and then frees no variance with std.lv: what is equal beyond that is written as labels.
size <- as.integer(table(data$cluster)[as.character(data$cluster)])
data$side <- 1 + (size %in% c(10, 15))
data$uneven <- 1 + (data$cluster + 1) %% 2
by_side <- data
for (x in c("x1", "x2", "x3")) by_side[[x]] <- data[[x]] - ave(data[[x]], data$side)
sides_of <- function(one, other = one) paste0("group: 1\n", one, "group: 2\n", other)
scalar <- function(free) paste0("level: 1\nfw =~ y1 + a*y2 + b*y3\nlevel: 2\nfb =~ y1 + c*y2 + d*y3\ny1 ~ e*1\ny2 ~ f*1\ny3 ~ g*1\n", free)
cases <- list(
  groups_cfa = list(sides_of(cfa2), group = "side"), groups_mlr = list(sides_of(cfa2), group = "side", estimator = "MLR"),
  groups_sem = list(sides_of(sem2), group = "side"), groups_sem_mlr = list(sides_of(sem2), group = "side", estimator = "MLR"),
  groups_loadings = list(sides_of(sem2), group = "side", group.equal = "loadings", estimator = "MLR"),
  groups_uneven = list(sides_of(sem2), group = "uneven", group.equal = "loadings", estimator = "MLR"),
  groups_scalar = list(sides_of(scalar(""), scalar("fb ~ 1\n")), group = "side"),
  groups_unlike = list(sides_of(sem2, path), group = "side"),
  groups_misfit = list(sides_of(gsub("y2", "1*y2", cfa2), sub("y2", "1*y2", cfa2)), group = "side", estimator = "MLR"),
  groups_expected = list(sides_of(path), group = "side", information = "expected"),
  cfa = list(cfa2), cfa_mlr = list(cfa2, estimator = "MLR"), equal = list(equal), equal_mlr = list(equal, estimator = "MLR"),
  path = list(path), sem = list(sem2), sem_mlr = list(sem2, estimator = "MLR"),
  sem_random_x = list(sem2, fixed.x = FALSE),
  context_mlr = list(context, estimator = "MLR", fixed.x = FALSE), sides_mlr = list(sides, estimator = "MLR"),
  two_std_lv = list(two, std.lv = TRUE), two_mlr = list(two, estimator = "MLR"),
  sem_expected = list(sem2, information = "expected"),
  cfa_fiml = list(cfa2, missing = "ml"),
  sem_fiml = list(sub(" \\+ w2", "", sem2), missing = "ml"), sides_fiml = list(sides, missing = "ml")
)

table_of <- function(spec) {
  if ("missing" %in% names(spec)) return(holes)
  if ("estimator" %in% names(spec)) return(if ("group" %in% names(spec)) by_side else centred)
  data
}
fit_with <- function(spec, ...) do.call("sem", c(list(spec[[1]], data = table_of(spec), cluster = "cluster", ...), spec[-1]))
polished <- function(spec) {
  fit <- fit_with(spec)
  # with missing values lavaan's gradient is not that of its log-likelihood, so that it has no optimum of its own to be brought to
  if ("missing" %in% names(spec)) return(list(fit = fit, size = NULL))
  model <- fit@Model
  K <- if (model@eq.constraints) model@eq.constraints.K else diag(length(lavaan:::lav_model_get_parameters(model)))
  for (step in 1:5) {
    g <- lavaan:::lav_model_gradient(model, lavsamplestats = fit@SampleStats, lavdata = fit@Data)
    H <- lavaan:::lav_model_hessian(model, lavsamplestats = fit@SampleStats, lavdata = fit@Data, lavoptions = fit@Options)
    move <- as.numeric(K %*% solve(t(K) %*% H %*% K, t(K) %*% g))
    model <- lavaan:::lav_model_set_parameters(model, lavaan:::lav_model_get_parameters(model) - move)
  }
  table <- as.list(parTable(fit))
  table$ustart[table$free > 0] <- lavaan:::lav_model_get_parameters(model)[table$free[table$free > 0]]
  table$start <- table$est <- table$se <- NULL
  last <- fit_with(c(list(table), spec[-1]), optim.method = "none", optim.force.converged = TRUE)
  stopifnot(max(abs(lavaan:::lav_model_get_parameters(last@Model) - lavaan:::lav_model_get_parameters(model))) < 1e-12)
  list(fit = last, size = max(abs(move)))
}

matrices <- function(x) lapply(x, function(one) list(rows = rownames(one), cols = colnames(one), values = unname(as.matrix(one))))
wanted <- commandArgs(trailingOnly = TRUE)  # names of cases; all without any
for (name in if (length(wanted)) wanted else names(cases)) {
  spec <- cases[[name]]
  done <- polished(spec); fit <- done$fit
  standard <- standardizedSolution(fit)
  found <- list(
    case = name, data = "data/demo_twolevel.csv", centred = any(c("missing", "estimator") %in% names(spec)), holes = "missing" %in% names(spec), model = spec[[1]], fun = "sem", options = c(list(cluster = "cluster"), spec[-1]),
    software = paste0("lavaan ", packageVersion("lavaan"), " (R ", getRversion(), ")"), last_step = if (is.null(done$size)) NA else done$size,
    estimates = cbind(parameterEstimates(fit), std_all = parameterEstimates(fit, standardized = TRUE)$std.all),
    standardized_all = standard, fit = as.list(fitMeasures(fit)), r2 = lavInspect(fit, "rsquare"),
    h1 = lapply(lavInspect(fit, "sampstat"), function(one) matrices(list(cov = one$cov))$cov),
    implied = lapply(lavInspect(fit, "implied"), function(one) matrices(list(cov = one$cov))$cov)
  )
  latent <- lavNames(fit, "lv")
  if (length(latent) && !("missing" %in% names(spec)) && !name %in% c("two_std_lv", "two_mlr") && !grepl("groups", name))
    found$scores <- list(within = head(as.numeric(lavPredict(fit, level = 1)), 10), between = head(as.numeric(lavPredict(fit, level = 2)), 10),
                         bartlett = head(as.numeric(lavPredict(fit, level = 1, method = "Bartlett")), 10))
  write(toJSON(found, digits = NA, auto_unbox = TRUE, na = "null", dataframe = "rows", pretty = FALSE), paste0(name, ".json"))
  cat(name, "last step", format(done$size), "\n")
}
