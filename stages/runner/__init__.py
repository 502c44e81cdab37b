"""What every stage does around its work: validate params, publish outs, notice edited inputs."""
